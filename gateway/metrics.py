"""What the gateway counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """One process's figures, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "assent_gateway_requests", "HTTP requests.", ["method", "route", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "assent_gateway_request_seconds",
            "Time to the end of the response.",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
            registry=self._registry,
        )
        self.webhooks = Counter(
            "assent_gateway_webhooks", "Whereby's webhooks.", ["type", "outcome"], registry=self._registry
        )
        self.sockets = Gauge("assent_gateway_sockets", "Open WebSockets.", ["feed"], registry=self._registry)
        self.dropped = Counter(
            "assent_gateway_sockets_dropped", "WebSockets closed for being slow.", ["feed"], registry=self._registry
        )

    def render(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)
