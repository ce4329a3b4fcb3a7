// SPDX-License-Identifier: GPL-2.0-or-later
//
// Boost.Asio's own functions, compiled here once for everybody.
#include <boost/asio/impl/src.hpp>
