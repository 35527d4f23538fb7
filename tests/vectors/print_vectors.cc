// Prints what tests/vectors/sealpost_v1.json must hold: `make vectors` writes it there.
#include <iostream>

#include "support/vectors.h"

int main() { std::cout << sealpost::test::sealpost_vectors().dump(1) << '\n'; }
