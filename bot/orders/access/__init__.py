"""Who is who, what each role may do, second factors, and what each person prefers."""
