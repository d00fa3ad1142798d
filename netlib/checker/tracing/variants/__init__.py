"""Operations that a backward could confuse with an operation of forward."""
