"""What models are made of: convs in `conv`, mixers in `mixer`, embeddings, norms, heads.

`stack.Stack` is the shape of most models; a new file here is for what two models share, or for a step of one that
is read by itself (`expander`, `walks`).
"""
