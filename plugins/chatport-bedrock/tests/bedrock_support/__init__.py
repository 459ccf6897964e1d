"""What the tests of the wire share: a raw server and the bytes that a service answers with."""
