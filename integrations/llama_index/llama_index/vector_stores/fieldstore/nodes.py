# LlamaIndex's nodes as fieldstore's records, and back.
#
# A node's metadata lies at the top of its record's metadata, so that every filter and every other reader of the store
# finds it there. What else makes up the node lies below the one key "_node":
#
#   id       the node's id, for filters: a `where` cannot reach the id of a record
#   source   the document it comes from (its ref_doc_id); of a node without one, its own id
#   type     its class, as LlamaIndex names it
#   hash     of a node without a source: its own, by which LlamaIndex knows whether it has changed. (Any other holds
#            its document's among its relationships.)
#   content  all of it but the text and what is plain, as JSON text: relationships, excluded keys, templates, positions,
#            images, and the metadata once more, since a record sorts its keys, and their order shows in prompts and in
#            the node's hash
#
# Rule: what goes in comes out: text, metadata, relationships and all. Only the embedding is a unit vector afterwards.
# Rule: words of LlamaIndex's own are stored with no node: an erase would find them in every other one.
"""Nodes and records, translated."""

import json
import math
from collections.abc import Sequence
from typing import Any, TypedDict

from llama_index.core.bridge.pydantic_core import pydantic_core
from llama_index.core.schema import BaseNode, MetadataMode, Node, TextNode
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from fieldstore import Hit, Record

NODE = "_node"
ID = f"{NODE}.id"
SOURCE = f"{NODE}.source"

# What a field holds in most nodes, which is not stored. Ours to keep as it is, whatever LlamaIndex's defaults become:
# stored nodes that lack a field mean this. (Nodes stored before there was this list lack none.)
_PLAIN: dict[str, Any] = {
    "embedding": None,
    "excluded_embed_metadata_keys": [],
    "excluded_llm_metadata_keys": [],
    "relationships": {},
    "metadata_template": "{key}: {value}",
    "metadata_separator": "\n",
    "text": "",
    "mimetype": "text/plain",
    "start_char_idx": None,
    "end_char_idx": None,
    "text_template": "{metadata_str}\n\n{content}",
}

# Lists of keys, stored as the keys of a dict: readers commonly name some that no metadata has, and an erase takes a
# string for something that is said, a key for none.
_NAMES = ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys")

_WHOLE = Node.class_name()  # its text carries more than the text: a MIME type, a path


class Columns(TypedDict):
    """What `FieldStore.add` stores: lists of one length."""

    vectors: list[list[float]]
    texts: list[str | None]
    metadatas: list[dict[str, Any]]
    ids: list[str | None]


def columns(nodes: Sequence[BaseNode]) -> Columns:
    """Nodes with embeddings, as columns of records.

    Raises:
        ValueError: a node has no embedding, or metadata of a name that is ours; nothing was added.
    """
    return Columns(
        vectors=[_vector(node) for node in nodes],
        texts=[node.get_content(metadata_mode=MetadataMode.NONE) for node in nodes],
        metadatas=[_metadata(node) for node in nodes],
        ids=[node.node_id for node in nodes],
    )


def _vector(node: BaseNode) -> list[float]:
    if node.embedding is None:
        raise ValueError(
            f"node {node.node_id!r} has no embedding; nothing was added. An index or a pipeline embeds nodes"
        )
    return node.embedding


def _metadata(node: BaseNode) -> dict[str, Any]:
    for name in (NODE, ID, SOURCE):  # a key that itself holds a dot would be found before what lies below "_node"
        if name in node.metadata:
            raise ValueError(f"node {node.node_id!r} has metadata named {name!r}, the adapter's own; nothing was added")
    kind = node.class_name()
    try:
        fields = json.loads(node_to_metadata_dict(node, remove_text=kind != _WHOLE)["_node_content"])
    except pydantic_core.PydanticSerializationError as error:
        raise ValueError(f"node {node.node_id!r} has metadata that is no JSON: {error}; nothing was added") from error
    metadata: dict[str, Any] = dict(fields["metadata"])
    own = {name: value for name, value in fields.items() if name not in _PLAIN or value != _PLAIN[name]}
    own |= {name: dict.fromkeys(own[name]) for name in _NAMES if name in own}
    metadata[NODE] = {
        "id": node.node_id,
        "source": node.ref_doc_id or node.node_id,
        "type": kind,
        "content": json.dumps(own, ensure_ascii=False),
    }
    if node.ref_doc_id is None:
        metadata[NODE]["hash"] = node.hash
    return metadata


def weights_of(nodes: Sequence[BaseNode], key: str) -> list[float]:
    """What each node's metadata says it weighs, in copies; 1 where it says nothing.

    Raises:
        ValueError: it says something that is no weight; nothing was added.
    """
    weights = []
    for node in nodes:
        weight = node.metadata.get(key, 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise ValueError(
                f"node {node.node_id!r} has {key!r}: {weight!r}, a weight is a number above 0; nothing was added"
            )
        weights.append(float(weight))
    return weights


def hash_of_source(record: Record) -> tuple[str, str | None]:
    """The document that a record is a node of, and the hash that it had then, if it is known."""
    packed = record.metadata.get(NODE)
    if packed is None:
        return record.id, None
    source = to_node(record).source_node
    return packed["source"], packed.get("hash") if source is None else source.hash


def to_node(record: Record | Hit) -> BaseNode:
    """A record as the node it was; one that LlamaIndex did not write, as a TextNode.

    A `Document` comes back as a TextNode, as it does from every store: core's answers cannot hold a Document.
    """
    metadata = dict(record.metadata)
    packed = metadata.pop(NODE, None)
    if packed is None:
        node: BaseNode = TextNode(id_=record.id, text=record.text or "", metadata=metadata)
    else:
        text = None if packed["type"] == _WHOLE else record.text or ""
        fields = _PLAIN | json.loads(packed["content"])
        fields |= {name: list(fields[name]) for name in _NAMES}
        content = json.dumps(fields)
        node = metadata_dict_to_node({"_node_type": packed["type"], "_node_content": content}, text)
        if node.metadata != metadata:  # it was updated in the store; else its keys are in the order the user gave them
            node.metadata = metadata
    if isinstance(record, Record) and record.vector is not None:
        node.embedding = record.vector.tolist()
    return node
