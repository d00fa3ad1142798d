"""Operations that a backward could take an operation of forward for."""
