"""What the product asks of the systems on the other side, one file for each: Protocols, and the values that they speak in.

Whoever decides or follows knows a system by these alone; `systems/` holds the real ones, `app` opens them.
"""
