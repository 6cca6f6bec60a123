"""One module a type of destination; each says its settings and its class.

`SETTINGS` is what stands in `config/platform.yaml`, `DESTINATION` is made of them.
"""
