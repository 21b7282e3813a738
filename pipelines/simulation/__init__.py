"""Days lived by script: the script, the home they are lived in, the sandbox beside it, and the walk from slot to slot."""
