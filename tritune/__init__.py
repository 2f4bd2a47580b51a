"""Fine-tune a pretrained transformer in three ways, and say with evidence which one to ship."""
