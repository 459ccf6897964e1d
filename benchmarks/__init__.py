"""What chatport costs, against aiobotocore's own client and against other libraries.

`python -m benchmarks` measures everything in one run; `python benchmarks/peers.py` measures other libraries.
"""
