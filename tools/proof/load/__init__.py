"""`make load`: what an answer costs the server, beside a bare insert and beside psiTurk and oTree."""
