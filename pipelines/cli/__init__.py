"""The ``fortnight`` command: one module per verb group, thin. Heavy imports happen inside the verbs, so that help is instant."""
