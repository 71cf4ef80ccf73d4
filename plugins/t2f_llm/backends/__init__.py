"""The fusers that run or ask a language model; imported when a component is built."""
