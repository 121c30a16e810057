"""The certificate of the page: files of the operator, or one that the server signs itself."""
