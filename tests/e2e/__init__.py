"""A real API server, real Flux controllers and a real registry on loopback, and the tests that run against them."""
