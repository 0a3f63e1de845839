"""Losses from logits in log space, and class weights."""
