"""`python -m deploy.local.issuer serve | token`: a file of its own, since the package is imported before it runs."""

from deploy.local.issuer import main

if __name__ == "__main__":
    main()
