"""The neural parts: blocks, tokenisers, encoders, fusion functions, and the multimodal model made of them."""
