"""Runs Assent: `local` on one machine, `k8s` on a cluster."""
