"""The patient: what differs from one to another, and each part of the body painted on a canvas."""
