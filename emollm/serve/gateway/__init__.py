"""The door to a model for a team: keys, limits, media checks and the OpenAI protocol, in front of an engine."""
