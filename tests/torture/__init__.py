"""What the project is beaten with: kills, damaged media, hostile files, hard surroundings."""
