"""HOTA, CLEAR MOT and Identity on masks: how well objects are found, masked and kept apart."""
