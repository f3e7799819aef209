"""How every site stands, without a deploy."""
