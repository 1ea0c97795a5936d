"""What the project is beaten with, `python -m tests.torture`: kills, damaged media, hostile files, hard surroundings."""
