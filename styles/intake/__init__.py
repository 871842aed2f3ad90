"""How an uploaded file becomes a reference, or a sentence that says why not.

`inspect` hands files to a small process of its own (`sandbox`) that recognises (`formats`), decodes (`decode`) and
measures (`measure`) them. Those import neither Django nor our rooms, so that the process starts fast and holds
nothing worth stealing; what it answers is checked again on this side.
"""
