"""`make leaks`: two adversaries with everything but the decoded pixels try to tell real from fake."""
