"""A stand-in for a company's identity provider: a little OpenID Connect issuer, on one machine.

    GET  /.well-known/openid-configuration    what it offers, as OpenID Connect Discovery says
    GET  /jwks.json                           its public key
    GET  /authorize                           asks who somebody wants to be: there is no password
    POST /authorize                           sends them back with a code (RFC 6749, 4.1; PKCE with S256 is a must)
    POST /token                               the code, once and for 60 s, for an ID token and an access token

One client is registered: the pages. `python -m deploy.local.issuer serve --port 9001 --key FILE` serves it, with
ASSENT_GATEWAY_URL, ASSENT_OIDC_CLIENT_ID and ASSENT_OIDC_CLIENT_SECRET (none: a public client) in the environment.
`python -m deploy.local.issuer token --run-dir .run --sub owner-2` prints a token for somebody else.
"""
