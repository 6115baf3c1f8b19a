"""Study: does regularisation from information theory make units more readable? Screening, then a confirmation."""
