"""Checks deploy/k8s without a cluster: renders it, validates every document, and holds it against our own rules."""
