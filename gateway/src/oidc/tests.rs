//! The relying party against the testkit provider, over loopback HTTPS.
