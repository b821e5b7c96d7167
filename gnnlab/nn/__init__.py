"""What models are made of: convs in `conv`, mixers in `mixer`, embeddings, norms, heads.

`stack.Stack` is the shape of most models; a new file here is for what two models share.
"""
