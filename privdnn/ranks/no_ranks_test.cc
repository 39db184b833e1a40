// The module as it is built without MPI.
#include <gtest/gtest.h>

#include <cstdlib>

#include "privdnn/ranks/ranks.h"

namespace privdnn {
namespace {

TEST(WithoutMpi, APlainProcessIsNoRank) {
  ::unsetenv("OMPI_COMM_WORLD_SIZE");
  EXPECT_FALSE(Ranks::Started());
}

// Each of the processes would otherwise do all of the work, and write the same files.
TEST(WithoutMpi, AProcessOfMpirunRefuses) {
  ::setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  EXPECT_TRUE(Ranks::Started());
  const auto ranks = Ranks::Join();
  ASSERT_EQ(ranks.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ranks.status().message(),
            "mpirun started this process, but the program was built without MPI; see docs/cluster.md for how to build "
            "it with OpenMPI");
}

}  // namespace
}  // namespace privdnn
