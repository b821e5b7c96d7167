"""What a layer or a model does, recorded as its kernels run, and played from then on without Python between them.

`tape` notes the ops that ran, `draft` writes them as code, `replay` knows whether the code still holds, `player` runs
it, `one_node` makes one node of autograd's graph of it all, `direct` hands over the gradients.
"""
