"""`make chaos`: workers and the database are killed while people answer; no acknowledged answer may be lost."""
