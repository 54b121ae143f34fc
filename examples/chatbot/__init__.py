"""A chatbot over a folder of documents that can forget one of them. Run: python -m examples.chatbot FOLDER"""
