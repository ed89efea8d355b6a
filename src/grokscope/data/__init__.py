"""The examples that an experiment is trained and tested on."""
