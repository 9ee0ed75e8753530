"""gtvseg beside nnU-Net: inference (v2 and v1) and training. The *_side.py run in processes of their own."""
