"""May a challenger take the champion's place? Answers on the same rows, tests on them, and a sentence."""
