"""Serving: the native model inside vLLM."""
