"""The face to the outside: HTTP, WebSockets and pages in front of the three services. It owns no data."""
