"""How each kind of file becomes blocks, one module for a kind; they run inside the parse worker only."""
