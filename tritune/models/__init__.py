"""Find, check and take apart a pretrained model."""
