"""What must survive when parts die under load."""
