"""gRPC: each module serves one service of the protos, turning messages into the domain's words and back."""
