"""The RTL half of every module, a folder for each family."""
