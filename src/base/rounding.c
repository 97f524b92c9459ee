/* SPDX-License-Identifier: Apache-2.0 */
/* By which rules are floats computed here? */
#include "base/rounding.h"

void rounding_rules(void)
{
    fesetenv(FE_DFL_ENV);
}

fenv_t rounding_begin(void)
{
    fenv_t callers;
    fegetenv(&callers);
    rounding_rules();
    return callers;
}

void rounding_end(const fenv_t *callers)
{
    fesetenv(callers);
}
