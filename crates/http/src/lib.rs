//! The HTTP layer of a registry client: one send seam, endpoints, TLS, redirects, retry decisions and bounded bodies.
