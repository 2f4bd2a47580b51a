"""The sweep of a method's learning rate: which of several rates to train with."""
