//! The host configuration of the containers ecosystem: registries.conf, short names, auth.json and certs.d.
