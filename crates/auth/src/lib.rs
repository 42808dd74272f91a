//! Registry authentication: secrets, credentials, challenges, scopes, tokens and their cache.
