"""New data against the champion's: are they sound, and do they differ?"""
